declare const process: { argv: string[]; env: Record<string, string | undefined> };

/** The address of the mock, which is the first argument, and the headers with its token. */
export const options = {
  baseUrl: process.argv[2] ?? "",
  headers: { Authorization: `Bearer ${process.env["TRUNKLINE_TOKEN"]}` },
};

/** Throw unless a condition holds. */
export function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`expected: ${what}`);
}
