// Print what ajv, in strict mode, finds of each body in standard input: {"files": [...], "bodies": [[$id, body], ...]}
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";

const { files, bodies } = JSON.parse(readFileSync(0, "utf-8"));
const addFormats = formats.default;

// The next lines are those of docs/export.md.
const ajv = new Ajv2020({strict: true, strictTypes: false, strictRequired: false});
addFormats(ajv); // of ajv-formats
ajv.addVocabulary(["x-trunkline"]); // evidence, which is no constraint
ajv.addSchema(files.map((file) => JSON.parse(readFileSync(file, "utf-8")))); // all but openapi.json

for (const file of files) ajv.getSchema(JSON.parse(readFileSync(file, "utf-8")).$id); // compiles it
console.log(JSON.stringify(bodies.map(([id, body]) => ajv.getSchema(id)(body))));
