// Ask for each fault with fetch, and print [status or null, error, body or null] for each, as a line of JSON.
const [url, token, ...faults] = process.argv.slice(2);
const seen = [];
for (const fault of faults) {
  let status = null;
  let body = null;
  let error = "";
  try {
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${token}`, "x-trunkline-fault": fault },
      redirect: "manual",
    });
    status = response.status;
    body = await response.text();
    JSON.parse(body);
  } catch (caught) {
    error = caught.cause?.code ?? caught.code ?? caught.name;
  }
  seen.push([status, error, body]);
}
console.log(JSON.stringify(seen));
