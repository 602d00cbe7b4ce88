"""`sitewright doctor`: looks at what a run needs before any run is paid for. It changes nothing."""
