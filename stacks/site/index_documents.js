// CloudFront Function at viewer-request: what S3's website endpoint does with folders and its REST endpoint does not.
// `/hello/` is served from `/hello/index.html`, `/hello` is redirected to `/hello/`. It cannot look into the bucket:
// what ends in a suffix with a letter (`.css`, `.mp3`, not `/v1.2`) is a file, and so is all of `/.well-known/`.

var FILE = /\.[0-9]*[A-Za-z][0-9A-Za-z]*$/;

function handler(event) {
  var request = event.request;
  var uri = request.uri;
  if (uri.endsWith('/')) {
    request.uri = uri + 'index.html';
    return request;
  }
  if (uri.startsWith('/.well-known/') || FILE.test(uri.substring(uri.lastIndexOf('/')))) {
    return request;
  }
  return {
    statusCode: 302,
    statusDescription: 'Found',
    headers: {
      // One slash at the front: a browser takes `//other.example/` for another host.
      location: { value: uri.replace(/^[/\\]+/, '/') + '/' + query(request.querystring) },
      'cache-control': { value: 'public, max-age=0, must-revalidate' },
    },
  };
}

// The query as it came: CloudFront hands it over in parts, still encoded.
function query(parts) {
  var pairs = [];
  Object.keys(parts || {}).forEach(function (name) {
    (parts[name].multiValue || [parts[name]]).forEach(function (part) {
      pairs.push(part.value === '' ? name : name + '=' + part.value);
    });
  });
  return pairs.length ? '?' + pairs.join('&') : '';
}
