"""A proxy that is there unless the environment says otherwise."""

import os


def getProxyInfo(disableVOMS):
    if os.environ.get("STAND_IN_START") == "denied":
        return {"OK": False, "Errno": 1101, "Message": "Can't find proxy"}
    info = {"username": "alice", "group": "biomed_user", "VO": "biomed"}
    return {"OK": True, "Value": {**info, "secondsLeft": 3600, "path": "/proxy"}}
