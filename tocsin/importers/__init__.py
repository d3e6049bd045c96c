"""Exports of other paging tools, turned into contacts.yaml and ladders. One file a vendor; only `opening` does I/O."""
