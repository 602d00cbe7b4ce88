"""The command line `sitewright`."""
