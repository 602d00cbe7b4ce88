"""Publishing a build to the site bucket: what to do is planned first, then done."""
