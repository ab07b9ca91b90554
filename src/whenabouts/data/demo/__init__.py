"""The demo's archive: what it shows and says, planned, drawn and written."""
