"""Requests to a desktop as a control plane makes them."""

import pytest

from rig import ControlError, pb


def pointer(runtime, x, y, action="CLICK", button="LEFT", **more):
    event = pb.PointerEvent(x=x, y=y, action=pb.PointerAction.Value("POINTER_ACTION_" + action),
                            button=pb.PointerButton.Value("POINTER_BUTTON_" + button))
    return runtime.call("desktop_input", message=pb.DesktopInputRequest(pointer=event), **more)


def key(runtime, name, is_text=False, action="PRESS", **more):
    event = pb.KeyEvent(key=name, is_text=is_text, action=pb.KeyAction.Value("KEY_ACTION_" + action))
    return runtime.call("desktop_input", message=pb.DesktopInputRequest(key=event), **more)


def scroll(runtime, x, y, dx, dy, **more):
    event = pb.ScrollEvent(x=x, y=y, delta_x=dx, delta_y=dy)
    return runtime.call("desktop_input", message=pb.DesktopInputRequest(scroll=event), **more)


def error_of(call, *arguments, **options):
    with pytest.raises(ControlError) as caught:
        call(*arguments, **options)
    return caught.value


def begin(runtime, replies, op, **fields):
    """Sends a request and goes on; its reply is appended to replies, decoded."""
    request = runtime.encode(op, **fields)
    inbox = f"test.begin.{request.request_id}"
    runtime.nats.subscribe(inbox, lambda _subject, _reply, body, _headers:
                           replies.append(pb.ControlResponse.FromString(body)))
    runtime.nats.publish(runtime.subject(), request.SerializeToString(), reply=inbox)
