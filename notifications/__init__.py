"""The only importer of twilio and slack_sdk: one file a channel, the wording, inbound answers and their signatures."""
