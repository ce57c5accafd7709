// List, create, get, update, verify, delete and fail, with a client of openapi-fetch and the types of openapi-typescript.
import createClient from "openapi-fetch";
import { expect, options } from "./expect.js";
import type { components, paths } from "./talkover.types.js";

const client = createClient<paths>(options);

const body: components["schemas"]["TrunkInput"] = {
  name: "Made by openapi-fetch",
  provider_name: "carrier-x",
  domain: "sip.example.com",
  username: "user_1",
  password: "correct horse",
  transport: "tcp",
};
const created = await client.POST("/sip-trunks", { body });
expect(created.data !== undefined, "a created trunk");
expect(created.data.data.port === 5060, "the port that belongs to the transport");

const all = await client.GET("/sip-trunks");
const listed = all.data?.data.find((trunk) => trunk.id === created.data.data.id);
expect(listed?.transport === "tcp", "the created trunk in the list");

const path = { trunk_id: created.data.data.id };
const fetched = await client.GET("/sip-trunks/{trunk_id}", { params: { path } });
expect(fetched.data?.data.username === "user_1", "the trunk");

const changed = await client.PUT("/sip-trunks/{trunk_id}", { params: { path }, body: { name: "Renamed" } });
expect(changed.data?.data.name === "Renamed", "the new name");

const verified = await client.POST("/sip-trunks/{trunk_id}/verify", { params: { path } });
expect(verified.data?.data.is_verified === true, "a verified trunk");

const deleted = await client.DELETE("/sip-trunks/{trunk_id}", { params: { path } });
expect(deleted.data?.success === true, "the deletion");

const absent = await client.GET("/sip-trunks/{trunk_id}", { params: { path } });
expect(absent.error?.code === "TRUNK_NOT_FOUND", "the error of an unknown trunk");

const health = await client.GET("/health");
expect(health.data?.status === "ok", "the health of the service");
