"""A proxy that is always there."""


def getProxyInfo(disableVOMS):
    info = {
        "username": "alice",
        "group": "biomed_user",
        "VO": "biomed",
        "secondsLeft": 3600,
        "path": "/proxy",
    }
    return {"OK": True, "Value": info}
