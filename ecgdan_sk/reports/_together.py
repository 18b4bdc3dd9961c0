"""Joint meaning of the statements in one report.

Phrases are read one by one, but the meaning of one can be part of another's meaning.
There are three such rules, which do not depend on the author of the report.
"""

# Walls that an ischemia shows in.
_WALLS = {
    "ISCAN": {"anterior"},
    "ISCAS": {"anterior", "septal"},
    "ISCAL": {"anterior", "septal", "lateral"},
    "ISCLA": {"lateral"},
    "ISCIN": {"inferior"},
    "ISCIL": {"inferior", "lateral"},
}
_INFERIOR = ("IMI", "ILMI", "IPMI", "IPLMI")
_INFARCTS = (*_INFERIOR, "ASMI", "AMI", "ALMI", "LMI", "PMI")
_INJURIES = ("INJAS", "INJAL", "INJLA", "INJIN", "INJIL")
# A left axis alone makes a fascicular block at most this likely.
_BY_AXIS = 50.0


def together(found):
    """Code -> likelihood of a whole report, and code -> the statement it is a part of.

    Ischemia of several walls is one ischemia. `STE_` is ST elevation without a cause;
    beside an infarct, an injury or a left bundle branch block it has one. `LAFB` by a
    left axis alone does not stand beside a left bundle branch block or an inferior
    infarct, which turn the axis too.
    """
    said = {code: value for code, value in found.items() if value > 0}
    merged, explained = _one_ischemia(said), _explained(said)
    whole = {}
    for code, value in found.items():
        if code not in explained:
            code = merged.get(code, code)
            whole[code] = max(whole.get(code, 0.0), value)
    return whole, merged | explained


def _one_ischemia(said):
    """Replace ischemias of several walls by one statement."""
    several = [code for code in _WALLS if code in said]
    if len(several) < 2:
        return {}
    walls = set().union(*(_WALLS[code] for code in several))
    fitting = [code for code, own in _WALLS.items() if walls <= own]
    # All around the heart it has no territory.
    whole = min(fitting, key=lambda code: len(_WALLS[code]), default="ISC_")
    return dict.fromkeys(several, whole)


def _explained(said):
    """Statements -> others of the report that are their cause."""
    causes = {}
    if "STE_" in said:
        causes["STE_"] = (*_INFARCTS, *_INJURIES, "CLBBB")
    if said.get("LAFB", 100.0) <= _BY_AXIS:
        causes["LAFB"] = ("CLBBB", *_INFERIOR)
    # A possible statement does not explain a certain one.
    sure = {
        code: [other for other in others if said.get(other, 0.0) >= said[code]]
        for code, others in causes.items()
    }
    return {code: others[0] for code, others in sure.items() if others}
