"""Docker or Podman: the engine, the workspace image, the runtime."""
