"""How the command line shows what gateway and client said: the ladder of the RFCs."""

from appliance.cli import console
from appliance.transcripts.schemas import TranscriptLine, TranscriptView
from appliance.wording import text
from ike_engine.transcript import What


def show(transcript: TranscriptView) -> None:
    """Write a transcript: the client at the left, the gateway at the right."""
    if not transcript.lines:
        console.say("nothing is on record")
        return
    console.say(f"from {text(transcript.lines[0].at)}: client <-> gateway")
    for line in transcript.lines:
        console.say(f"{line.seconds:>10.3f} s  {_arrow(line)}  {_message(line)}".rstrip())
        if line.says and line.what is What.MESSAGE:
            console.say(f"{'':>20}{line.says}")


def _arrow(line: TranscriptLine) -> str:
    if line.what in (What.PROBES, What.OMITTED):
        return "   "
    return "<--" if line.sent else "-->"


def _message(line: TranscriptLine) -> str:
    times = f" ({line.times} times)" if line.times > 1 else ""
    if line.what is What.MESSAGE:
        size = f"{line.octets} octets" + (f" in {line.fragments} fragments" if line.sent and line.fragments > 1 else "")
        if not line.sent and line.fragments > 1:
            size += " in fragments"
        payloads = ", ".join(("HDR*" if line.protected else "HDR", *line.payloads))
        return f"{line.exchange} {line.number}: {payloads} [{size}]"
    return {
        What.REPEATED: f"sent again, nothing was heard{times}",
        What.DUPLICATE: f"came again{times}",
        What.DROPPED: f"dropped: {line.says}{times}",
        What.PROBES: f"dead peer detection: {line.says}",
        What.OMITTED: f"... {line.times} lines are not kept ...",
    }[line.what]
