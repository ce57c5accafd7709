"""The admin surface of a server: what lies below its reserved path `/_trunkline`.

    curl -X POST -H 'x-trunkline: yes' 'http://127.0.0.1:8900/_trunkline/reset?vendor=acme'

`transport.access` says who may use it. Answers are JSON; a refusal is `{"error": sentence}`. Each module of this
package has the routes for one subject.
"""

from trunkline.transport.admin.application import admin

__all__ = ["admin"]
