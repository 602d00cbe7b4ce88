import { getCollection } from 'astro:content';
import type { APIRoute } from 'astro';

const files = Object.keys(import.meta.glob('./**/*.{astro,md}'));

export const GET: APIRoute = async ({ site }) => {
  const pages = files
    .filter((file) => !file.includes('[') && !file.includes('404'))
    .map((file) => file.slice(1).replace(/\.(astro|md)$/, '/').replace(/\/index\/$/, '/'));
  const posts = (await getCollection('journal')).map((post) => `/journal/${post.id}/`);
  const urls = [...pages, ...posts].sort().map((path) => `  <url><loc>${new URL(path, site).href}</loc></url>`);
  const xml = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
    ...urls,
    '</urlset>',
    '',
  ].join('\n');
  return new Response(xml, { headers: { 'Content-Type': 'application/xml' } });
};
