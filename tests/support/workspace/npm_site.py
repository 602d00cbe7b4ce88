"""A site that npm builds."""

import json

from tests.support.publishing.site_world import Site

BUILD = """
const fs = require('fs');
fs.mkdirSync('dist', {recursive: true});
fs.writeFileSync('dist/index.html', `<html>${require('tiny')} ${process.env.NODE_ENV}</html>`);
fs.writeFileSync('dist/env.json', JSON.stringify(Object.keys(process.env)));
"""


def package(script: str = "node build.js") -> str:
    # The dependency is a local folder, so `npm ci` needs no registry.
    return json.dumps(
        {"name": "site", "version": "1.0.0", "scripts": {"build": script}, "devDependencies": {"tiny": "file:./tiny"}}
    )


SITE = {
    "package.json": package(),
    "build.js": BUILD,
    "tiny/package.json": '{"name":"tiny","version":"1.0.0","main":"i.js"}',
    "tiny/i.js": "module.exports = 'tiny'",
}


def npm_commands(site: Site) -> list[str]:
    return [line for line in site.logs if "'program': 'npm'" in line and "'line': 'added " in line]
