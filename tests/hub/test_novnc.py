"""noVNC in a headless Chromium shows and drives the desktop: browser, opengeni-ctl view, the hub's
relay, the agent, an X server."""

import base64
import os

import pytest

from hubrig import wait_until
from screen import Receiver, decode_png
from test_ctl_view import view  # noqa: F401
from viewrig import make_screen, paint, screen, serve  # noqa: F401
from webbridge import Bridge, Page, browser_program, connect_to

NOVNC = "/usr/share/novnc"  # Debian's package

PAGE = """<!DOCTYPE html><title>view</title>
<style>body { margin: 0 } #screen { width: 640px; height: 480px }</style><div id=screen></div>
<script type=module>
import RFB from './core/rfb.js';
const rfb = new RFB(document.getElementById('screen'), `ws://${location.host}/desktop`,
                    {wsProtocols: ['binary']});
window.state = 'connecting';
rfb.addEventListener('connect', () => { window.state = 'connected'; rfb.focus(); });
rfb.addEventListener('disconnect', () => { window.state = 'disconnected'; });
rfb.addEventListener('securityfailure', e => { window.failure = e.detail.reason; });
</script>"""

PIXELS = """(() => {
const canvas = document.querySelector('#screen canvas');
const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
let text = '';
for (let i = 0; i < data.length; i += 8192)
    text += String.fromCharCode(...data.subarray(i, i + 8192));
return [canvas.width, canvas.height, btoa(text)]; })()"""

pytestmark = pytest.mark.skipif(not (browser_program() and os.path.isdir(NOVNC)),
                                reason="needs chromium and novnc")


@pytest.fixture
def browse(tmp_path):
    made = []

    def start(place):
        bridge = Bridge(NOVNC, {"/": PAGE}, connect_to(place))
        page = Page(tmp_path, bridge.url + "/")
        made.extend((page.close, bridge.shutdown, bridge.server_close))
        return page

    yield start
    for end in made:
        end()


def rows(page):
    width, height, text = page.evaluate(PIXELS)
    data = base64.b64decode(text)
    return [[tuple(data[4 * (y * width + x):][:3]) for x in range(width)] for y in range(height)]


def connected(page):
    wait_until(lambda: page.evaluate("window.state") == "connected", step=0.1, what="the page's view")


def test_a_browser_shows_and_drives_the_desktop(screen, serve, view, browse, tmp_path):
    paint(screen, "#305070")
    screen.run("xdotool", "mousemove", "319", "239")
    screen.spawn("xterm", "-geometry", "30x6+40+50", "-e", "sh", "-c", "seq 4; sleep 1000")
    machine = serve(screen)
    page = browse(view(machine).place())
    connected(page)

    def same():
        shot = decode_png(machine.call("desktop_screenshot").png)[2]
        shown = rows(page)
        # The pointer's image is in the screenshot, and beside the canvas in the browser.
        return len({pixel for row in shot[:200] for pixel in row}) > 1 and \
            [row[:290] for row in shown[:210]] == [row[:290] for row in shot[:210]]

    wait_until(same, step=0.2, what="the same picture in the browser")
    receiver = Receiver(screen, tmp_path)
    left, top = page.evaluate("(() => { const r = document.querySelector('#screen canvas')"
                              ".getBoundingClientRect(); return [r.left, r.top]; })()")
    page.click(left + 100, top + 90)
    wait_until(lambda: receiver.buttons() == [(1, 1, 100, 90), (-1, 1, 100, 90)],
               what="the click")
    page.key("a", "KeyA", 65, "a")
    page.key("Enter", "Enter", 13, "\r")
    wait_until(lambda: receiver.keys() == ["+a", "-a", "+Return", "-Return"], what="the keys")


def test_a_browser_only_looks_without_consent(screen, serve, view, browse, tmp_path):
    receiver = Receiver(screen, tmp_path)
    screen.run("xdotool", "mousemove", "200", "210")
    page = browse(view(serve(screen, consent=False)).place())
    connected(page)
    page.click(20, 20)
    page.key("a", "KeyA", 65, "a")
    wait_until(lambda: len(rows(page)) == 240, what="the picture")
    page.evaluate("new Promise(done => setTimeout(done, 1000))")
    assert screen.pointer() == (200, 210)
    assert receiver.buttons() == [] and receiver.keys() == []
