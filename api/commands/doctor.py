"""`talentfeed doctor`."""

import typer

from api.commands.common import Json, say, say_json, settings
from api.diagnosis import diagnose


def doctor(json: Json = False) -> None:
    """Look at everything the service needs, one line each; exit code 1 when something is broken."""
    findings = diagnose(settings())
    broken = any(finding.level == "fail" for finding in findings)
    if json:
        found = [{"check": f.check, "level": f.level, "detail": f.detail} for f in findings]
        say_json({"ok": not broken, "findings": found})
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            say(f"{finding.level:<4}  {finding.check:<{width}}  {finding.detail}")
    if broken:
        raise typer.Exit(1)
