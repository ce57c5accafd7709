"""trunkline: a mock server and a contract-testing kit for the REST APIs that manage SIP trunks."""
