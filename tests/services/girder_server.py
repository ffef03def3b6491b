"""Girder 5 on mongomock, a MongoDB in memory: `python girder_server.py PORT DIRECTORY`.

Runs in the environment of tests/services/environment.py, and prints an API key of its administrator. Girder
asks more of pymongo than mongomock gives; what is missing is filled in here and nowhere else.
"""
# ruff: noqa: E402  what is imported must find what was filled in

from __future__ import annotations

import os
import sys
import threading
from functools import wraps

os.environ["GIRDER_SERVER_MODE"] = "production"
os.environ["GIRDER_FILESYSTEMASSETSTORE_RESERVED_MBYTES"] = "1"  # Girder refuses uploads below 10 GiB free
os.environ["GIRDER_MONGO_URI"] = "mongodb://mock/girder"
os.environ["GIRDER_NOTIFICATION_REDIS_URL"] = "redis://127.0.0.1:9"  # nobody there: notifications are lost

import mongomock
import mongomock.codec_options
import mongomock.collection
import pymongo.cursor


def _count(self, with_limit_and_skip=False):
    every = self.clone()
    if not with_limit_and_skip:
        every._limit = every._skip = 0
    return sum(1 for _ in every)


_is_supported = mongomock.codec_options.is_supported


def _without_time_zone(options):
    if options is None:
        return None
    known = {name: value for name, value in options._asdict().items() if name in _FIELDS}
    return mongomock.codec_options.CodecOptions(**{**known, "tzinfo": None})


_one_at_a_time = threading.RLock()


def _alone(method):
    """mongomock empties a document before it writes the new one: meanwhile nobody else would find it."""

    @wraps(method)
    def locked(*words, **options):
        with _one_at_a_time:
            return method(*words, **options)

    return locked


def _complete(method):
    @wraps(method)
    def listed(*words, **options):
        return iter(list(method(*words, **options)))

    return listed


_collection = mongomock.collection.Collection
_collection._get_dataset = _complete(_collection._get_dataset)
for _name in ("_insert", "_update", "_delete", "_find_and_modify", "_get_dataset", "count_documents"):
    setattr(_collection, _name, _alone(getattr(_collection, _name)))
_FIELDS = mongomock.codec_options.CodecOptions._fields
mongomock.collection.Cursor.count = _count
mongomock.codec_options.is_supported = _without_time_zone
pymongo.cursor.Cursor = mongomock.collection.Cursor

import girder.models

_client = mongomock.MongoClient()
_get_database = _client.get_database
_client.get_database = lambda name=None, *words, **options: _get_database(name or "girder")
_client.get_default_database = lambda *words, **options: _client["girder"]


class _OneClient(dict):
    def __contains__(self, uri):
        return True

    def __getitem__(self, uri):
        return _client


girder.models._dbClients = _OneClient()

import uvicorn
from girder.asgi import app
from girder.models.api_key import ApiKey
from girder.models.assetstore import Assetstore
from girder.models.collection import Collection
from girder.models.user import User
from girder_worker.app import app as tasks

tasks.conf.task_always_eager = True  # without a queue: folders are removed in the request itself


def main(port: int, directory: str) -> None:
    """Serve until the end."""
    Assetstore().createFilesystemAssetstore(name="files", root=directory)
    user = User().createUser("admin", "password123", "A", "B", "a@example.org", admin=True)
    Collection().createCollection("tests", creator=user, public=False)
    print("KEY", ApiKey().createApiKey(user, "tests")["key"], flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


main(int(sys.argv[1]), sys.argv[2])
