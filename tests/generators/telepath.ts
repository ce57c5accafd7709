// List, create, update, get and fail, with a client of openapi-fetch and the types of openapi-typescript.
import createClient from "openapi-fetch";
import { expect, options } from "./expect.js";
import type { components, paths } from "./telepath.types.js";

const client = createClient<paths>(options);

const page = await client.GET("/trunks", { params: { query: { limit: 2, status: "active" } } });
expect(page.data !== undefined, "a page of trunks");
expect(page.data.trunks.length === 2 && page.data.pagination.limit === 2, "two trunks");
const status: components["schemas"]["TrunkStatus"] | undefined = page.data.trunks[0]?.status;
expect(status === "active", "an active trunk");

const body: components["schemas"]["TrunkInput"] = {
  name: "Made by openapi-fetch",
  ai_provider: "custom",
  sip_username: "openapi-fetch-1",
  sip_password: "correct horse",
  custom_endpoint: "wss://agent.example.com/",
};
const created = await client.POST("/trunks", { body });
expect(created.data !== undefined, "a created trunk");
expect(created.data.sip_endpoint.startsWith("sip"), "the endpoint of the created trunk");

const path = { id: created.data.id };
const changed = await client.PATCH("/trunks/{id}", { params: { path }, body: { name: "Renamed" } });
expect(changed.data?.name === "Renamed", "the new name");

const calls = await client.GET("/calls", {});
const first = calls.data?.calls[0];
expect(first !== undefined, "a call");
const call = await client.GET("/calls/{id}", { params: { path: { id: first.id } } });
expect(call.data?.trunk_id === first.trunk_id, "the call");

const absent = await client.GET("/calls/{id}", { params: { path: { id: "call_absent" } } });
expect(absent.error?.error.code === "CALL_NOT_FOUND", "the error of an unknown call");
