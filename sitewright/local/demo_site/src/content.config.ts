import { defineCollection } from "astro:content";
import { glob } from "astro/loaders";
import { z } from "astro/zod";

const journal = defineCollection({
  loader: glob({ pattern: "*.md", base: "./src/content/journal" }),
  schema: z.object({ title: z.string(), date: z.coerce.date(), summary: z.string() }),
});

export const collections = { journal };
