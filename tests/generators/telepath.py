"""List, create, update, get and fail, with a client of openapi-python-client and models of datamodel-code-generator."""

import os
import sys

import telepath_models as models
from telepath_client import AuthenticatedClient
from telepath_client.api.calls import get_call, list_calls
from telepath_client.api.trunks import create_trunk, list_trunks, update_trunk
from telepath_client.models import ListTrunksStatus, TrunkChange, TrunkInput, TrunkInputAiProvider, TrunkStatus

client = AuthenticatedClient(sys.argv[1], os.environ["TRUNKLINE_TOKEN"], raise_on_unexpected_status=True)

page = list_trunks.sync_detailed(client=client, limit=2, status=ListTrunksStatus.ACTIVE)
assert len(page.parsed.trunks) == page.parsed.pagination.limit == 2
assert page.parsed.trunks[0].status is TrunkStatus.ACTIVE
listed = models.TrunkList.model_validate_json(page.content)
assert [trunk.id for trunk in listed.trunks] == [trunk.id for trunk in page.parsed.trunks]

body = TrunkInput(
    name="Made by openapi-python-client",
    ai_provider=TrunkInputAiProvider.CUSTOM,
    sip_username="openapi-python-client-1",
    sip_password="correct horse",
    custom_endpoint="wss://agent.example.com/",
)
assert body.to_dict() == models.TrunkInput(**body.to_dict()).model_dump(mode="json", exclude_none=True)
created = create_trunk.sync_detailed(client=client, body=body)
assert created.parsed.sip_endpoint == models.CreatedTrunk.model_validate_json(created.content).sip_endpoint

changed = update_trunk.sync_detailed(created.parsed.id, client=client, body=TrunkChange(name="Renamed"))
assert changed.parsed.name == models.UpdatedTrunk.model_validate_json(changed.content).name == "Renamed"

calls = list_calls.sync_detailed(client=client)
first = models.CallList.model_validate_json(calls.content).calls[0]
call = get_call.sync_detailed(first.id, client=client)
assert call.parsed.start_time == models.CallDetail.model_validate_json(call.content).start_time == first.start_time

absent = get_call.sync_detailed("call_absent", client=client)
assert absent.parsed.error.code == models.Error.model_validate_json(absent.content).error.code == "CALL_NOT_FOUND"
