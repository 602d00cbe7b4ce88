import { defineConfig } from 'astro/config';

export default defineConfig({
  site: 'http://edit.amelia.webordinary.com',
  devToolbar: { enabled: false },
});
