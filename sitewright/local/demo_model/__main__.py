"""`python -m sitewright.local.demo_model --port N`: the demo model on loopback."""

import argparse

import uvicorn

from sitewright.local.demo_model.model_app import create_app


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(create_app(), host="127.0.0.1", port=parser.parse_args().port, log_level="warning")


if __name__ == "__main__":
    main()
