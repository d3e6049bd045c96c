"""HTTP: intake of machines, callbacks of providers, the API and the pages. What comes in is validated here."""
