"""A configuration without sections."""


def getServiceSection(name):
    return ""
