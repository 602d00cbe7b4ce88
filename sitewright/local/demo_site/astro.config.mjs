import { defineConfig } from "astro/config";

export default defineConfig({
  devToolbar: { enabled: false },
  // one stylesheet with a hash in its name, as a larger site has
  build: { inlineStylesheets: "never" },
});
