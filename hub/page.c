// The page on which a person lets a machine in: two forms, no script. First the code and the admin
// token, then what the machine says of itself and the decision, which a ticket of that one request
// allows. There are no cookies, so nobody else's page can decide in this person's name.
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/api.h"
#include "hub/devices.h"
#include "hub/form.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/limiter.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>Connect a machine</title>\n<style>\n"
    ":root { color-scheme: light dark; }\n"
    "body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 34rem; "
    "padding: 0 1rem; }\n"
    "h1 { font-size: 1.4rem; }\n"
    "label { display: block; margin: 1rem 0; }\n"
    "input[type=text], input[type=password] { display: block; width: 100%; box-sizing: border-box; "
    "font: inherit; padding: .5rem; }\n"
    "input[name=user_code] { font-family: monospace; letter-spacing: .1em; }\n"
    "th { text-align: left; padding-right: 1.5rem; font-weight: normal; opacity: .7; "
    "vertical-align: top; }\n"
    "td { overflow-wrap: anywhere; }\n"
    ".note { border-left: 4px solid #c60; padding: .2rem 1rem; }\n"
    "button { font: inherit; padding: .5rem 1.2rem; margin-right: .5rem; }\n"
    "</style>\n</head>\n<body>\n<main>\n";
static const char foot[] = "</main>\n</body>\n</html>\n";

// Text from outside, so that it stays text.
static char *escape(const char *text)
{
    char *safe = mem_array(6 * strlen(text) + 1, 1), *out = safe;
    for (; *text; text++) {
        const char *entity = *text == '&'    ? "&amp;"
                             : *text == '<'  ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\'' ? "&#39;"
                                             : NULL;
        size_t size = entity ? strlen(entity) : 1;
        memcpy(out, entity ? entity : text, size);
        out += size;
    }
    *out = '\0';
    return safe;
}

static void answer_page(struct http_response *response, int status, const char *body)
{
    char *text = mem_printf("%s%s%s", head, body, foot);
    answer_text(response, status, "text/html; charset=utf-8", text);
    response->page = true;
    mem_free_secret(text);
}

// The first form. problem: what was wrong with the last attempt; "" for none.
static void ask(struct http_response *response, int status, const char *code, const char *problem)
{
    char *safe = escape(code);
    char *body = mem_printf(
        "<h1>Connect a machine</h1>\n%s%s%s"
        "<p>A machine asks to be let in and shows a code. Go on only if you started that "
        "yourself.</p>\n"
        "<form method=\"post\" action=\"device\">\n"
        "<label>Code on the machine's terminal\n<input type=\"text\" name=\"user_code\" "
        "value=\"%s\" required maxlength=\"16\" autocomplete=\"off\" spellcheck=\"false\" "
        "placeholder=\"ABCD-2345\"></label>\n"
        "<label>Admin token of this hub (in the file admin.token of its directory)\n"
        "<input type=\"password\" name=\"admin_token\" required autocomplete=\"off\"></label>\n"
        "<button name=\"step\" value=\"look\">Look at the machine</button>\n</form>\n"
        "<p>Without a browser: <code>opengeni-hub approve CODE</code> on the hub's machine.</p>\n",
        *problem ? "<p class=\"note\" role=\"alert\">" : "", problem, *problem ? "</p>\n" : "",
        safe);
    answer_page(response, status, body);
    mem_free(body);
    mem_free(safe);
}

static void show_machine(struct http_response *response, const struct device_view *view)
{
    char *name = escape(view->name), *key = escape(view->public_key);
    char *body = mem_printf(
        "<h1>Let this machine in?</h1>\n<table>\n"
        "<tr><th>Code</th><td><b>%s</b></td></tr>\n"
        "<tr><th>It calls itself</th><td><b>%s</b></td></tr>\n"
        "<tr><th>System</th><td>%s, %s</td></tr>\n"
        "<tr><th>Asks from</th><td>%s</td></tr>\n"
        "<tr><th>Key</th><td><code>%s</code></td></tr>\n"
        "<tr><th>Waits for</th><td>%d s</td></tr>\n</table>\n"
        "<p>Does its terminal show the code <b>%s</b>? If not, deny: somebody else's machine "
        "wants in.</p>\n"
        "<p>Approving lets whoever commands this hub <b>run any command on the whole machine</b> "
        "with the rights of the user that its agent runs as, read and write that user's files%s."
        "</p>\n"
        "<form method=\"post\" action=\"device\">\n"
        "<input type=\"hidden\" name=\"user_code\" value=\"%s\">\n"
        "<input type=\"hidden\" name=\"ticket\" value=\"%s\">\n"
        "<label><input type=\"checkbox\" name=\"screen_control\" value=\"yes\"> Also use its "
        "<b>mouse and keyboard</b>%s</label>\n"
        "<button name=\"step\" value=\"approve\">Approve</button>\n"
        "<button name=\"step\" value=\"deny\">Deny</button>\n</form>\n",
        view->user_code, name, view->os, view->arch,
        *view->address ? view->address : "this machine", key, (int)(view->age_ms / 1000),
        view->user_code, view->display ? ", and see its screen" : "", view->user_code, view->ticket,
        view->wants_screen ? " &mdash; the machine asks for it"
        : view->display    ? " &mdash; the machine does not ask for it"
                           : " &mdash; the machine has no screen now");
    answer_page(response, 200, body);
    mem_free_secret(body);
    mem_free(name);
    mem_free(key);
}

void api_page(struct hub *hub, const char *id, const struct http_request *request,
              struct http_response *response)
{
    (void)hub, (void)id;
    char *code = form_value(request->query, strlen(request->query), "user_code");
    if (strlen(code) > 16)
        code[0] = '\0';
    ask(response, 200, code, "");
    mem_free_secret(code);
}

static bool is_admin(const struct hub *hub, const char *token)
{
    size_t size = strlen(hub->secrets.admin_token);
    return strlen(token) == size && CRYPTO_memcmp(token, hub->secrets.admin_token, size) == 0;
}

static const char nobody_waits[] =
    "No machine with this code waits. It may be mistyped, decided already, or older than ten "
    "minutes; the machine shows a new one when you connect it again.";

static void look(struct hub *hub, const struct http_request *request, const char *code,
                 const char *token, struct http_response *response)
{
    struct device_view view;
    int64_t now_ms = clock_boot_ms();
    if (!is_admin(hub, token)) {
        bool slow = !limiter_take(hub->failures, request->peer, now_ms);
        ask(response, slow ? 429 : 403, code,
            slow ? "Too many attempts; wait a while." : "This is not the admin token of this hub.");
    } else if (!devices_find(hub->devices, code, now_ms, &view)) {
        ask(response, 404, code, nobody_waits);
    } else {
        show_machine(response, &view);
        device_view_fini(&view);
    }
}

static void decide(struct hub *hub, const struct http_request *request, const char *code,
                   bool approved, struct http_response *response)
{
    char *ticket = form_value(request->body.data, request->body.size, "ticket"),
         *screen = form_value(request->body.data, request->body.size, "screen_control");
    bool screen_control = approved && strcmp(screen, "yes") == 0;
    if (!devices_decide(hub->devices, code, ticket, approved, screen_control, clock_boot_ms())) {
        ask(response, 404, code, nobody_waits);
    } else {
        log_info(approved ? "request approved" : "request denied", "on", "the page", "address",
                 request->peer, "screen_control", screen_control ? "yes" : "no", NULL);
        answer_page(response, 200,
                    !approved ? "<h1>Denied</h1>\n<p>The machine is not let in.</p>\n"
                    : screen_control
                        ? "<h1>Approved, with mouse and keyboard</h1>\n<p>The machine "
                          "connects within seconds. You can close this page.</p>\n"
                        : "<h1>Approved, without mouse and keyboard</h1>\n<p>The machine "
                          "connects within seconds. You can close this page.</p>\n");
    }
    mem_free_secret(ticket);
    mem_free_secret(screen);
}

void api_page_sent(struct hub *hub, const char *id, const struct http_request *request,
                   struct http_response *response)
{
    (void)id;
    const char *data = request->body.data;
    size_t size = request->body.size;
    char *step = form_value(data, size, "step"), *code = form_value(data, size, "user_code"),
         *token = form_value(data, size, "admin_token");
    if (strlen(code) > 16)
        code[0] = '\0';
    if (strcmp(step, "approve") == 0 || strcmp(step, "deny") == 0)
        decide(hub, request, code, step[0] == 'a', response);
    else
        look(hub, request, code, token, response);
    mem_free_secret(step);
    mem_free_secret(code);
    mem_free_secret(token);
}
