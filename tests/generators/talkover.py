"""List, create, get, update, verify, delete and fail, with the clients that two generators for Python make."""

import os
import sys

import talkover_models as models
from talkover_client import AuthenticatedClient
from talkover_client.api.custom_sip_trunks import (
    create_sip_trunk,
    delete_sip_trunk,
    get_sip_trunk,
    list_sip_trunks,
    update_sip_trunk,
    verify_sip_trunk,
)
from talkover_client.api.service import get_health
from talkover_client.models import TrunkChange, TrunkInput, TrunkInputTransport, TrunkTransport

client = AuthenticatedClient(sys.argv[1], os.environ["TRUNKLINE_TOKEN"], raise_on_unexpected_status=True)

wanted = {
    "name": "Made by openapi-python-client",
    "provider_name": "carrier-x",
    "domain": "sip.example.com",
    "username": "user_1",
    "password": "correct horse",
}
body = TrunkInput(**wanted)
assert body.transport is TrunkInputTransport.TLS, "the default"
assert body.to_dict() == models.TrunkInput(**wanted).model_dump(exclude_none=True)
created = create_sip_trunk.sync_detailed(client=client, body=body)
trunk = created.parsed.data
assert trunk.port == models.CreatedTrunk.model_validate_json(created.content).data.port == 5061

everything = list_sip_trunks.sync_detailed(client=client)
assert trunk.id in [item.id for item in everything.parsed.data]
assert trunk.id in [item.id for item in models.TrunkList.model_validate_json(everything.content).data]

fetched = get_sip_trunk.sync_detailed(trunk.id, client=client)
assert fetched.parsed.data.transport is TrunkTransport.TLS
assert models.TrunkDetail.model_validate_json(fetched.content).data.created_at == trunk.created_at

changed = update_sip_trunk.sync_detailed(trunk.id, client=client, body=TrunkChange(name="Renamed"))
assert changed.parsed.data.name == models.UpdatedTrunk.model_validate_json(changed.content).data.name == "Renamed"

verified = verify_sip_trunk.sync_detailed(trunk.id, client=client)
assert verified.parsed.data.is_verified
assert models.Verification.model_validate_json(verified.content).data.is_verified

deleted = delete_sip_trunk.sync_detailed(trunk.id, client=client)
assert deleted.parsed.success
assert models.Deletion.model_validate_json(deleted.content).success

absent = get_sip_trunk.sync_detailed(trunk.id, client=client)
assert absent.parsed.code == models.Error.model_validate_json(absent.content).code == "TRUNK_NOT_FOUND"

assert get_health.sync(client=client).status == "ok"
