"""A client of services that are all here. Names of groups say what goes wrong: `hangs`, `dies`, `raises`."""

import json
import os
import re
import threading
import time
from datetime import UTC, datetime

STATE = os.environ.get("STAND_IN_STATE", "")
STORE = os.environ.get("STAND_IN_STORE", "")
CHANGING = threading.Lock()


def _jobs():
    try:
        with open(STATE) as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


class Client:
    def __init__(self, url, timeout):
        self._url = url

    def ping(self):
        return {"OK": True, "Value": {"time": datetime.now(UTC)}}

    def whoami(self):
        return {"OK": True, "Value": {"username": "alice", "group": "biomed_user"}}

    def getJobs(self, conditions, newer=None):
        group = (
            conditions["JobGroup"][0] if isinstance(conditions["JobGroup"], list) else conditions["JobGroup"]
        )
        print(f"looking for {group}")
        if group == "hangs":
            time.sleep(3600)
        if group == "dies":
            os._exit(9)
        if group == "raises":
            raise KeyError("Value")
        if group == "unauthorised":
            return {"OK": False, "Errno": 1111, "Message": "Unauthorized query"}
        if group == "away":
            return {"OK": False, "Errno": 0, "Message": "Cannot connect", "CallStack": []}
        wanted = {name: conditions[name] for name in ("JobName", "Status") if name in conditions}
        found = [
            number
            for number, job in _jobs().items()
            if all(job[name] in values for name, values in wanted.items())
        ]
        return {"OK": True, "Value": found}

    def getJobsSummary(self, numbers):
        jobs = _jobs()
        return {"OK": True, "Value": {str(n): jobs[str(n)] for n in numbers if str(n) in jobs}}

    def submitJob(self, jdl):
        if "bad" in jdl:
            return {"OK": False, "Errno": 0, "Message": "a name in it is bad"}
        several = re.search(r"^Parameters = \{(.*)\};$", jdl, re.M)
        one = re.search(r'^JobName = "(.*)";$', jdl, re.M)
        names = json.loads(f"[{several.group(1)}]") if several else [one.group(1)]
        numbers = []
        with CHANGING:
            jobs = _jobs()
            for name in names:
                numbers.append(len(jobs) + 1)
                status = "Submitting" if several else "Received"
                told = {"JobName": name, "Status": status, "JobGroup": "g", "Site": "ANY"}
                jobs[str(numbers[-1])] = {**told, **({"JDL": jdl} if STORE else {})}
            self._write(jobs)
        if "lost" in jdl:
            os._exit(9)  # they are there, and nobody says so
        return {"OK": True, "Value": numbers if several else numbers[0]}

    def confirmBulkSubmission(self, numbers):
        with CHANGING:
            jobs = _jobs()
            for number in numbers:
                jobs[str(number)]["Status"] = "Received"
            self._write(jobs)
        return {"OK": True, "Value": numbers}

    def killJob(self, numbers):
        with CHANGING:
            jobs = _jobs()
            for number in numbers:
                jobs[str(number)]["Status"] = "Killed"
            self._write(jobs)
        return {"OK": True, "Value": numbers}

    def deleteJob(self, numbers):
        with CHANGING:
            jobs = _jobs()
            for number in numbers:
                jobs[str(number)]["Status"] = "Deleted"
            self._write(jobs)
        return {"OK": True, "Value": numbers}

    def getSandboxesAssignedToEntity(self, entity):
        path = f"{STORE}/output-{entity.partition(':')[2]}.tar"
        return {"OK": True, "Value": {"Output": [path]} if os.path.exists(path) else {}}

    def getJobLoggingInfo(self, number):
        return {"OK": True, "Value": []}

    def _write(self, jobs):
        with open(f"{STATE}.part", "w") as file:
            json.dump(jobs, file)
        os.replace(f"{STATE}.part", STATE)
