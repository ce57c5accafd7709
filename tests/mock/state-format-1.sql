-- A state file of format 1, as the development version before 0.1.0 wrote it; most records of the fixtures were deleted.
PRAGMA application_id = 1953656427;
PRAGMA user_version = 1;
PRAGMA journal_mode = wal;
BEGIN TRANSACTION;
CREATE TABLE records (
        place INTEGER PRIMARY KEY,
        vendor TEXT NOT NULL, collection TEXT NOT NULL, account TEXT NOT NULL, identity TEXT NOT NULL,
        record TEXT NOT NULL,
        UNIQUE (vendor, collection, account, identity)
    );
INSERT INTO "records" VALUES(1,'telepath','trunks','main','conn_abc123xyz','{"id": "conn_abc123xyz", "name": "Customer Support", "status": "active", "ai_provider": "openai", "sip_username": "support-01", "sip_endpoint": "sip://support-01@sip.telepathvoice.com", "created_at": "2024-02-15T10:30:00Z", "updated_at": "2024-03-05T14:22:15Z", "metrics": {"calls_today": 142, "success_rate": 97.2, "avg_latency_ms": 245}}');
INSERT INTO "records" VALUES(64,'telepath','trunks','main','conn_kncw9x6xf','{"name": "new", "ai_provider": "openai", "sip_username": "user-1", "sip_password": "tk-0123456789", "openai_api_key": "sk-0123456789", "id": "conn_kncw9x6xf", "status": "active", "sip_endpoint": "sip://user-1@sip.telepathvoice.com", "created_at": "2026-11-28T09:26:00Z", "updated_at": "2026-11-28T09:26:00Z", "metrics": {"calls_today": 0, "success_rate": 0, "avg_latency_ms": 0}}');
INSERT INTO "records" VALUES(65,'talkover','trunks','production','trunk-uuid-1','{"id": "trunk-uuid-1", "name": "Primary Carrier \u2014 US", "provider_name": "carrier-x", "domain": "sip.carrier-x.com", "username": "user_42", "password": "secret-password", "transport": "tls", "port": 5061, "outbound_proxy": null, "auth_realm": null, "is_active": true, "is_verified": true, "health_status": "healthy", "last_health_check_at": "2024-01-15T14:30:00Z", "created_at": "2024-01-01T10:00:00Z", "updated_at": "2024-01-15T14:30:00Z"}');
INSERT INTO "records" VALUES(72,'talkover','dids','production','phone-uuid-1','{"id": "phone-uuid-1", "number": "+15551234567", "country_code": "US", "formatted_number": "(555) 123-4567", "trunk_id": "trunk-uuid-1"}');
INSERT INTO "records" VALUES(73,'talkover','dids','production','phone-uuid-2','{"id": "phone-uuid-2", "number": "+15559876543", "country_code": "US", "formatted_number": "(555) 987-6543", "trunk_id": "trunk-uuid-1"}');
INSERT INTO "records" VALUES(78,'talkover','trunks','production','4305c3a4-5f99-4df8-be03-f13d4734ac9f','{"name": "new", "provider_name": "new", "domain": "user-1", "username": "user", "password": "tk-0123456789", "port": 5061, "transport": "tls", "is_active": false, "id": "4305c3a4-5f99-4df8-be03-f13d4734ac9f", "outbound_proxy": null, "auth_realm": null, "is_verified": false, "health_status": null, "last_health_check_at": null, "created_at": "2026-11-28T09:26:00Z", "updated_at": "2026-11-28T09:26:00Z"}');
CREATE TABLE vendors (name TEXT PRIMARY KEY, made INTEGER NOT NULL, checked TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "vendors" VALUES('talkover',1,'a4c77b14f7ba3b3ceec9d64bcd6917ff7b67c0d37d1c405c09672119787f536d');
INSERT INTO "vendors" VALUES('telepath',1,'958c3493b5c153b945bd24ed5c030842689d442336d4c8a237eee68783817620');
COMMIT;
