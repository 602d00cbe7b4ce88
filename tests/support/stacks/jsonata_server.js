// Evaluates JSONata with its reference implementation. A line in is an expression as JSON, a line out its result.
const readline = require("readline");
const jsonata = require(process.argv[2]);

async function answer(line) {
  try {
    const value = await jsonata(JSON.parse(line)).evaluate({});
    return { value: value === undefined ? null : value };
  } catch (error) {
    return { error: error.code || "UNKNOWN", details: error.message || String(error) };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await answer(line)) + "\n");
  }
})();
