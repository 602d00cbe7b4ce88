"""One build: from package.json and its variables to the output folder."""
