// Every named limit of the project, with its reason. docs/limits.md is written from this file.
#pragma once

// --- texts and errors
#define FAIL_WHAT_BYTES         256  // one line for a person; a longer one is cut
#define FAIL_PATH_BYTES         4200 // PATH_MAX and a little, so that a whole path can be named
#define LOG_LINE_BYTES          4096 // one write(2) to a pipe of this size is atomic (pipe(7))
#define LOG_EVENTS_PER_MINUTE   10   // the same event; what comes more often is counted instead
#define AGENT_ERROR_DETAILS_MAX 8 // key and value pairs of one error; no failure has more than four

// --- requests
#define REQUEST_BYTES_MAX      (64u << 20) // larger than any max_payload nats-server accepts
#define REQUEST_DEPTH_MAX      16          // the schema nests 5 levels
#define REQUEST_ARENA_FACTOR   24          // decoded size per byte of payload, worst case
#define REPLY_ARENA_FACTOR     8           // the same for a byte of the reply: a listing
#define REQUEST_ARENA_BASE     (64u << 10) // what the smallest request may use
#define REQUESTS_PENDING_BYTES (64u << 20) // undone requests of the process, or MemAvailable / 16
#define RUNNING_MIN            256         // admission: never fewer than this many at once
#define QUEUED_MAX             100000      // waiting requests per class
#define REPLY_MEMORY_SLOTS_MAX 65536 // reply subjects remembered against double delivery, times 2
#define REPLY_MEMORY_MS        60000 // a second delivery comes within seconds, if at all
#define SETTLED_ENTRIES_MAX    2048  // finished exec and git replies kept for duplicates
#define SETTLED_BYTES_MAX      (64u << 20) // of those replies together
#define SETTLED_KEEP_MS        60000       // nobody asks again for what is older
#define LATE_REPLY_MS          35000       // a reply waits this long for the next session
#define LATE_REPLIES_BYTES_MAX (16u << 20) // of a link, and as much that a stuck write holds up

// --- the service
#define UNIT_BYTES_MAX           (64u << 10) // a unit; ours has 2 KiB, the rest is $PATH
#define UNIT_KEPT_MAX            9           // a person's, as .bak, .bak.1 and so on
#define SERVICE_TOOL_MS          30000       // systemctl waits for the start of a unit
#define SERVICE_OUTPUT_BYTES_MAX (64u << 10) // of systemctl --version and show
#define SERVICE_STATUS_BYTES     128         // one line to the service manager

// --- faults that a hub makes for tests
#define HUB_FAULT_STEPS_MAX 32  // of one endpoint
#define HUB_FAULT_HANG_S    600 // a connection without an answer

// --- doctor
#define DOCTOR_WAIT_MS        10000       // for every server, all at once
#define DOCTOR_SERVERS_MAX    64          // looked at; the URLs of a handful of connections
#define DOCTOR_INFO_BYTES_MAX (64u << 10) // of a server's greeting
#define DOCTOR_CLOCK_S        30          // a clock that is so far off is told
#define DOCTOR_CLOCK_BAD_S    300         // and this far, credentials and certificates may fail
#define DOCTOR_FILES_MAX      8           // of those with loose permissions, named

// --- workers
#define WORKER_STACK_BYTES (256u << 10) // of every thread we start; nothing here recurses far
#define WORKER_IDLE_MS     5000         // an idle worker ends after this long; one always stays

// --- who starts first
#define STARTS_YIELD_MS       20 // new processes wait this long for short work to end
#define STARTS_BURST_MS       4  // so long after one more requests are expected
#define STARTS_BURST_MESSAGES 4  // so many that wait are one
#define STARTS_WAIT_MS        100 // and for each other; one that hangs on a dead disk delays the rest once
#define STARTS_SLOTS_MIN      2 // made at a time, or as many as there are processors

// --- the link to a control plane
#define LINK_DIAL_ADDRESS_MS     10000 // one URL: look-up, TCP, TLS, the server's greeting
#define LINK_DIAL_MS             20000 // all URLs of one attempt together
#define LINK_HEARTBEAT_MS        5000 // control planes take silence of several of these for absence
#define LINK_SILENCE_MS          15000   // unanswered PING for this long: the session is dead
#define LINK_STABLE_MS           10000   // served so long: the next back-off starts anew
#define LINK_WRITE_MS            10000   // one write to the server
#define LINK_PING_MS             1000    // the first wait for the PONG of a heartbeat
#define LINK_PING_MAX_MS         4000    // and the longest: a stop waits for it
#define LINK_MAX_PAYLOAD_DEFAULT 1048576 // nats-server's own default
#define LINK_LAME_DUCK_MS        5000    // at most until a session that is to be closed is replaced
#define LINK_FLUSH_MS            2000    // a goodbye waits this long for the server's PONG
#define LINK_STOP_MS             8000    // with KILL_TREE_MS no more than 10 s
#define LINK_STOP_WORK_MS        3000    // cancelled operations have this long before the goodbye
#define LINK_DENIED_ADVICE_MS    60000   // of refusals without a break, before a person is told
#define LINK_DENIED_REPEAT_MS    600000  // until a person is told again
#define LINK_QUEUED_KEEP_MS      10000   // unstarted requests of a link without a session
#define LINK_FENCED_MEMORY_MS    3600000 // after fenced subjects were granted: no falling back
#define ANNOUNCE_BYTES_MAX       (256u << 10) // a hello or an event
#define LINK_HELLO_REPEAT_MS     300000       // for a control plane that missed one
#define LINK_PENDING_MESSAGES    65536        // undelivered messages per subscription
#define LINK_PENDING_BYTES       (64 << 20)   // and their bytes; more is not ours to hold
#define LINK_URLS_MAX            64           // of one connection; a cluster has a handful
#define LINKS_MAX                1024         // connections served at once
#define LINK_RUNNING_SHOWN       16           // operations of one link that its status names
#define BACKOFF_FAST_MS          3000         // between attempts at first,
#define BACKOFF_FAST_ATTEMPTS    20           // for so many of them,
#define BACKOFF_SLOW_MS          10000        // then doubled up to this
#define BACKOFF_DENIED_MS        60000        // when the server says no: asking often helps nobody,
#define BACKOFF_DENIED_AFTER_MS  600000       // once it has said nothing else for this long

// --- commands
#define EXEC_ARG_BYTES_MAX  131071      // one argv string, execve(2): MAX_ARG_STRLEN less its NUL
#define EXEC_HOLD_MS        2000        // pipes still held after the command ended
#define EXEC_NAME_BYTES_MAX 200         // of a program's name in an error text
#define KILL_TREE_MS        2000        // until the killed are gone; the kernel may hold one longer
#define EXEC_FLUSH_MS       200         // as EXEC_HOLD_MS, when background jobs are not to survive
#define EXEC_QUIET_MS       500         // of silence on pipes that are held after a kill
#define EXEC_READ_BYTES_MIN 4096        // of one read; doubled as the output grows
#define EXEC_READ_BYTES     (64u << 10) // what a pipe holds, pipe(7)
#define SPAWN_STACK_BYTES   (16u << 10) // of the child between clone(2) and exec; it calls little
#define GUARDIAN_TREES_MAX  4096        // commands at once that the guardian can watch
#define PROCS_MAX           131072u     // of one listing of /proc
#define PROCS_LIST_BYTES    256         // about ten processes
#define PROC_LINE_BYTES_MAX 1024        // of /proc/PID/stat and its like
#define MARK_CHUNK_BYTES    (16u << 10) // of an environment, looked at at a time
#define TREE_LOOKS_MAX      8           // for members that still run, before all are killed
#define KILL_PAUSE_MS_MAX   32          // between two looks for survivors

// --- files
#define FS_LIST_ENTRIES_MAX    1000000      // of one listing, whatever the request asks for
#define FS_WALK_DEPTH_MAX      65536        // directories deep
#define FS_WALK_DESCRIPTORS    64           // of the deepest ones; the others are reopened
#define FS_WALK_PATH_BYTES_MAX (1u << 20)   // relative path of an entry
#define FS_WALK_NAMES_BYTES    (256u << 10) // names of one directory that a removal holds at a time
#define FS_REMOVE_PASSES       16           // over a directory that others keep filling
#define FS_UNSIZED_BYTES_MAX   (64u << 20)  // of a file that does not know its size (procfs)
#define FS_DEVICE_WAIT_MS      10000        // for a FIFO or a device to take more
#define PASSWD_ENTRY_BYTES_MAX 16384        // getpwuid_r(3) with long fields

// --- configuration
#define CONFIG_DOCUMENT_BYTES_MAX (256u << 10) // of one JSON file; ours are far smaller
#define CONFIG_NESTING_MAX        16           // ours are nearly flat
#define CONFIG_STRING_BYTES_MAX   (64u << 10)  // bearers are the longest
#define CONFIG_RESCAN_MS          60000   // changes that inotify missed, on network file systems
#define CONFIG_DEBOUNCE_MS        100     // an editor's several writes are one change
#define CONFIG_POLL_MS            2000    // without inotify
#define CONFIG_LOCK_POLL_MS       5000    // while another agent runs for the same connections
#define STATUS_PERIOD_MIN_MS      1000    // between two status files, however much happens
#define STATUS_ASK_MS             2000    // for a running agent to write it anew when asked
#define LIVE_PROC_BYTES_MAX       16384   // of a file of /proc/PID: status, cgroup
#define STATUS_ASK_LOOK_MS        5       // between two looks whether it has
#define CONFIG_LOCK_REMIND_MS     600000  // 10 minutes
#define CONFIG_LOCK_SETTLE_MS     2000    // for those who only look at the lock to let it go
#define CONFIG_VALUES_MAX         4096    // JSON values of a document, so that 256 KiB stay small
#define CONFIG_ID_BYTES_MAX       256     // of a workspace or agent id: they become NATS subjects
#define CONFIG_NAMES_MAX          65536   // names of one directory
#define CONFIG_STALE_MS           3600000 // age of an unfinished file nobody writes any more
#define CONFIG_SETTINGS_BYTES_MAX (64u << 10) // of agent.ini
#define CONFIG_PAUSE_BYTES_MAX    64          // of the pause file, one word
#define STATUS_BYTES_MAX          (4u << 20)  // the status of all links together
#define STATUS_VALUES_MAX         131072      // JSON values of it: up to 65 of each connection
#define API_URL_BYTES_MAX         2048        // what proxies and servers commonly take
#define BEARER_WARN_S             604800      // 7 days

// --- updates
#define UPDATE_MANIFEST_BYTES_MAX  (256u << 10) // of a channel's manifest; ours have 2 KiB
#define UPDATE_SIGNATURE_BYTES_MAX 4096         // of a signature file or a key; they have 350 bytes
#define UPDATE_ARTIFACTS_MAX       64           // of one release: an architecture each
#define UPDATE_ARTIFACT_BYTES_MAX  (64u << 20)  // of a release: 10 times ours
#define UPDATE_ROOM_FACTOR         6            // free space per byte of it: fetched and unpacked
#define UPDATE_REDIRECTS_MAX       5            // of one file: to a mirror, to a store
#define UPDATE_CONNECT_MS          10000        // look-up, TCP, TLS
#define UPDATE_IDLE_S              30           // without a byte
#define UPDATE_FETCH_MS            900000       // one file, however slowly it comes
#define UPDATE_TRIAL_MS            10000        // a new program's answer to --version
#define UPDATE_TRIAL_STARTS        3            // of a new version; then the old one is put back
#define UPDATE_DRAIN_MS            600000       // until what runs has ended; then the update is off
#define UPDATE_DRAIN_LOOK_MS       100          // between two looks whether it has
#define UPDATER_LINE_BYTES         4500         // of what the updater says: a path and a little
#define UPDATE_TRIAL_UP_MS         30000        // up for so long: the new version stays

// --- enrolment, the agent's side
#define MACHINE_NAME_UNITS_MAX   256          // of UTF-16, as deployments count
#define MACHINE_NAME_BYTES_MAX   768          // the same in UTF-8
#define ENROLL_CONNECT_MS        10000        // to the API: look-up, TCP, TLS
#define ENROLL_REQUEST_MS        30000        // one whole request
#define ENROLL_REPLY_BYTES_MAX   (256u << 10) // of an answer of the API
#define ENROLL_REPLY_VALUES      1024         // JSON values of a reply
#define ENROLL_REQUEST_BYTES_MAX (64u << 10)  // of what is sent to it
#define ENROLL_MESSAGE_BYTES     512          // of an error's text
#define ENROLL_REDIRECTS_MAX     3            // of one request
#define ENROLL_ID_BYTES_MAX      64           // of an id in an answer
#define ENROLL_URLS_MAX          64           // of the control plane, in an answer
#define ENROLL_TOKEN_BYTES_MAX   4096         // of an enrolment token
#define ENROLL_TRIES             4            // of an exchange that is to come again later
#define ENROLL_TRIES_UNAVAILABLE 3            // of a request when the API is out of order,
#define ENROLL_BUSY_MS           2000         // doubled with each try
#define ENROLL_UNAVAILABLE_MS    5000         // with this between two
#define ENROLL_POLL_S            5            // between questions, unless told otherwise
#define ENROLL_POLL_MAX_S        60           // between two questions whether a person has agreed
#define ENROLL_SLOWER_MS         5000         // RFC 8628, 3.5
#define ENROLL_WAIT_MAX_S        86400        // for that person

// --- NATS through a tunnel
#define TUNNEL_INFO_BYTES_MAX  32768       // of the server's first line; a cluster's URLs fit
#define TUNNEL_FRAME_BYTES     (64u << 10) // of one read from a socket
#define TUNNEL_QUEUE_BYTES_MAX (4u << 20)  // towards either side, then the other is not read from
#define TUNNEL_ACCEPT_MS       2000  // for our own NATS client to connect to the loopback port
#define TUNNEL_DRAIN_MS        2000  // what was written before the end still goes out
#define TUNNEL_USER_TIMEOUT_MS 15000 // unacknowledged data for this long: the far side is gone

// --- WebSockets and the stream thread
#define RESOLVE_ADDRESSES_MAX    16   // of one name; more are not tried
#define WS_HOST_BYTES_MAX        120  // libwebsockets checks certificates for 127 bytes of a name
#define WS_SOCKETS_MAX           4096 // WebSockets at once
#define WS_SEND_BYTES_MAX        (8u << 20)  // of one message, written whole
#define WS_CHANNEL_RECEIVE_BYTES (16u << 10) // of one piece of a message
#define WS_EXAMINE_MS            1000        // to find out why there is no connection
#define WS_LEAVE_MS              2000        // for the farewell to a server that takes nothing
#define WS_KEEPALIVE_S           30          // TCP keep-alive
#define WS_LIBRARY_TIMEOUT_S     60          // libwebsockets' own waits; ours are shorter
#define WS_RETRY_SERVICE_MS      100 // after the library's loop failed, so that it does not spin

// --- relay channels and terminals
#define RELAY_HOST_BYTES_MAX      255         // a DNS name is no longer
#define RELAY_PATH_BYTES_MAX      1024        // of the URL a control plane gave
#define RELAY_QUERY_BYTES_MAX     8192        // two ids of 256 bytes, percent-encoded, and the path
#define RELAY_TOKEN_BYTES_MAX     (64u << 10) // sent in a frame, not in the URL
#define CHANNEL_ID_BYTES_MAX      64          // a UUID and room for other forms
#define CHANNEL_MESSAGE_BYTES_MAX (4u << 20)  // from the relay
#define CHANNEL_FIRST_MS          8000        // to be registered for the first time,
#define CHANNEL_FIRST_ATTEMPTS    2           // in so many attempts,
#define CHANNEL_FIRST_TRY_PERCENT 75          // the first of which may take so much of it
#define CHANNEL_DIAL_MS           10000       // look-up, TCP, TLS and upgrade
#define CHANNEL_ACK_MS            10000       // for the relay's answer to a registration
#define CHANNEL_SILENCE_MS        60000       // without a word the relay counts as dead,
#define CHANNEL_PINGS             3           // and is asked after that part of it
#define CHANNEL_BACKOFF_MS        500         // first ceiling of the wait for the next attempt,
#define CHANNEL_BACKOFF_EARLY_MS  2000        // the highest one in the first CHANNEL_EARLY_MS,
#define CHANNEL_EARLY_MS          30000       // people still wait for it to come back
#define CHANNEL_BACKOFF_MAX_MS    30000       // and later
#define CHANNEL_STABLE_MS         10000       // live for so long: the next wait is short again
#define CHANNEL_RATE_LIMITED_MS   5000   // at least, after the relay said that we ask too often
#define CHANNEL_REFUSED_MS        600000 // a terminal refused for so long ends
#define CHANNEL_DISOWNED_PART     10     // sooner, if the control plane refuses us too
#define CHANNEL_RIVAL_MS          3000   // dropped so soon after another's registration: by it
#define CHANNEL_FAREWELL_MS       2000   // for the last frames to go out
#define CHANNEL_REAPED_MIN_MS     110000 // a relay drops what nobody watches after 120 s
#define CHANNEL_REAPED_MAX_MS     140000 // and not long after that
#define CHANNEL_REAPED_ALONE_MS   5000   // other channels lost as recently: it was the network
#define REDIALS_MAX               8      // at once
#define SEEN_FRAMES               1024   // of a viewer, remembered against double delivery
#define TAIL_DATA_BYTES_MAX       (64u << 10)  // sent again after a reconnect
#define TAIL_FRAMES_MAX           1024         // the relay keeps no more either
#define PUMP_FRAME_BYTES          (64u << 10)  // of one read from a terminal
#define PUMP_READS_PER_TURN       4            // then other channels have their turn
#define PUMP_FINISH_MS            2000         // for the last output of a program that has ended
#define PUMP_BACKLOG_BYTES        (1u << 20)   // newest output kept while there is no relay
#define PUMP_INPUT_BYTES_MAX      (16u << 20)  // not yet taken by the program
#define PUMP_INPUT_HIGH_BYTES     (1u << 20)   // nothing more is read from the relay
#define PUMP_INPUT_LOW_BYTES      (512u << 10) // until there is less than this
#define PUMP_RATE_BYTES           (6 << 20)    // a second; the relay drops what is beyond 8 MiB
#define PUMP_BURST_BYTES          (8 << 20)    // and 16 MiB at once
#define TERMINAL_RATE_BYTES_MIN   (64 << 10)   // agent.ini; one frame a second
#define TERMINALS_MAX             64           // open at once
#define TERMINAL_SHOWN_MS         300          // for the first output, before the reply to pty_open
#define TERMINAL_LIVE_MS          2000         // for a known one to be registered again
#define TERMINAL_UNUSED_MS        600000       // nobody ever used it: it is closed
#define TERMINAL_HANGUP_MS        1000         // between SIGHUP and SIGKILL
#define TERMINAL_FAREWELL_MS      500          // for all channels, when the agent stops
#define TERMINAL_STOP_LOOK_MS     10           // between two looks whether all have ended
#define TERMINAL_SETTLE_MS        10000        // for what should have been settled before
#define TERMINAL_LINGER_MS        10000 // since it was opened: its first viewer is on the way
#define TERMINALS_LINGERING_MAX   64    // the oldest end sooner
#define TERMINALS_ENDED_KEPT      128   // exit codes, for those who ask after the end
#define TERMINAL_SCOPE_BYTES_MAX  1024  // of the control plane's name for a terminal's user
#define VIEWS_OF_LINK_MAX         4     // desktop channels of a link; pages that were left go first
#define VIEW_FIRST_MS             5000  // for the first picture, before the reply
#define VIEW_BLIND_MS             60000 // without any picture it ends
#define VIEW_RETRY_MS             1000  // between two attempts to have pictures again
#define VIEW_LOST_MS              60000 // the relay was away for so long: viewers open another
#define VIEW_FRAME_BYTES_MAX      ((4u << 20) - (64u << 10)) // of a picture; larger ones are scaled
#define VIEW_RATE_BYTES           (4 << 20)  // a second, of all views of a link together
#define VIEW_BURST_BYTES          (6 << 20)  // and at once
#define VIEW_EVENT_BYTES_MAX      (1u << 20) // of a viewer's input, decoded

// --- the machine
#define MEMORY_TRIM_MS        10000       // after the last operation
#define MEMORY_FIRST_TRIM_MS  3000        // the start needs more than the rest
#define MEMORY_KEPT_BYTES_MAX (2 << 20)   // free memory at the end of the heap; more goes back
#define MEMORY_HEAP_BYTES_MAX (2 << 20)   // larger blocks are the kernel's, and cost a fault a page
#define REPLY_ROOM_BYTES      256         // around a large field: all else of its reply, mostly
#define METRICS_PERIOD_MS     5000        // with each heartbeat
#define METRICS_FRESH_MS      1000        // asked for more often, the last figures are given again
#define CAPACITY_PERIOD_MS    60000       // disks and memory are seldom changed
#define GPU_PERIOD_MS         15000       // nvidia-smi is slow and wakes the card
#define GPU_MISSING_PERIOD_MS 300000      // a driver may be installed while we run
#define GPU_TIMEOUT_MS        2000        // a hung driver hangs nvidia-smi
#define GPU_KILL_MS           500         // for a killed nvidia-smi to end; in its driver it cannot
#define GPU_OUTPUT_BYTES_MAX  (64u << 10) // a line for each card
#define GPU_LINE_BYTES_MAX    1024        // of one card
#define METRIC_MAX            ((1ull << 53) - 1) // a double, and so JSON, holds it exactly
#define PROC_TEXT_BYTES       4096               // of the files in /proc that are read for it
#define CGROUP_PATH_BYTES_MAX 4096               // PATH_MAX
#define CPUS_MAX              65536              // the kernel's own limit is 8192
#define GPUS_MAX              64                 // of one machine; more are not counted
#define NAME_BYTES_MAX        256 // of a machine, connection, GPU or file: 255 and an end

// --- desktop
#define DESKTOP_NAME_BYTES_MAX   64          // of a display's name, ":99.0"
#define DESKTOP_PATH_BYTES_MAX   512         // of a cookie file
#define DESKTOP_REASON_BYTES_MAX 208         // one line for a person, 200 bytes and an end
#define DESKTOP_KEY_BYTES_MAX    256         // names joined with '+'
#define DESKTOP_KEY_TOKENS_MAX   16          // of those names; hands have ten fingers
#define DESKTOP_TEXT_CHARS_MAX   100000      // of one text to be typed
#define DESKTOP_TEXT_BYTES_MAX   400000      // in UTF-8
#define DESKTOP_SIDE_MAX         32767       // pixels; coordinates of the X protocol are 16 bits
#define DESKTOP_PNG_BYTES_MAX    (64u << 20) // of a picture, however little it can be compressed
#define DESKTOP_HEAP_BYTES_MAX   (4u << 20)  // a larger block goes back to the system when freed
#define DESKTOP_HELD_BYTES       4096        // the list of held keys and buttons
#define DESKTOP_RATE_MAX         60          // frames a second
#define DESKTOP_RATE_DEFAULT     30          // smooth for the eye
#define DESKTOP_POSTED_MAX       256         // events of viewers that wait for their turn
#define DESKTOP_VIEWERS_MAX      16          // of live views; all share one encoder
#define DESKTOP_RFB_MAX          4           // viewers over RFB; each has a thread
#define DESKTOP_CANDIDATES_MAX   32          // displays tried when none is given
#define DESKTOP_COOKIES_MAX      16          // cookie files tried for each
#define DESKTOP_COOKIE_FILE_MAX  (64u << 10) // of an .Xauthority
#define DESKTOP_CONNECT_MS       1000        // to one X server
#define DESKTOP_RESOLVE_MS       3000        // to find a display, all candidates together
#define DESKTOP_NEGATIVE_MS      2000        // "no display" is not looked into again for this long
#define DESKTOP_SHOT_MS          10000       // one picture, a settled screen included
#define DESKTOP_INPUT_MS         10000    // one pointer or key event, without the typing of texts
#define DESKTOP_TYPING_MS        20000    // a text is typed faster when it would take longer
#define DESKTOP_TEXT_MS          28000    // one text, waiting for its turn included
#define DESKTOP_IDLE_MS          60000    // the desktop process ends after this long without use
#define DESKTOP_IDLE_MAX_MS      86400000 // agent.ini
#define DESKTOP_GLANCE_MS        2000 // the same after nothing but a look whether a display is there
#define DESKTOP_REPLY_PNG_MAX    (8u << 20) // of a screenshot in a reply: control planes take no more
#define DESKTOP_REPLY_MARGIN     4096       // of a reply for all but the PNG
#define DESKTOP_WATCH_MS         5000  // between two looks whether an X server has come or gone
#define DESKTOP_TOLD_MS          10000 // a changed desktop is announced no more often than this
#define VIRTUAL_SIDE_MIN         64    // pixels of a virtual screen
#define VIRTUAL_SIDE_MAX         16384 // the same; what X servers without a card manage
#define VIRTUAL_NUMBERS_MAX      32    // displays tried from the wanted one on
#define VIRTUAL_START_MS         5000  // an Xvfb takes clients after a tenth of a second
#define VIRTUAL_GRACE_MS         2000  // between SIGTERM and SIGKILL
#define VIRTUAL_BACKOFF_MS       1000 // before a server that has ended is started again, doubled ...
#define VIRTUAL_BACKOFF_MS_MAX   60000 // ... up to this
#define VIRTUAL_MANAGERS_MAX     5     // starts of a window manager in one server
#define DESKTOP_HELD_MS          60000 // keys are let go after this long without input

// --- the hub
#define HUB_SECRET_FILE_BYTES      256       // a key or a token in hexadecimal
#define HUB_SQL_BUSY_MS            5000      // for another process to finish its transaction
#define HUB_SQL_CACHE_KIB          1024      // its tables are small
#define HUB_SQL_WAL_BYTES          (4 << 20) // what is left of a write-ahead log after a checkpoint
#define HUB_TOKEN_TTL_MS           3600000ll // of an enrolment token: time to reach a machine
#define HUB_TOKEN_TTL_MAX_MS       2592000000ll // whoever finds an older one shall not get in
#define HUB_TOKEN_KEEP_MS          604800000ll  // an expired one, to say why it is refused
#define HUB_TOKEN_BYTES_MAX        2048         // as people paste it, white space included
#define HUB_BEARER_TTL_MS          2592000000ll // of a machine's credential; a lost one dies by itself
#define HUB_PUBLIC_KEY_BYTES_MAX   1024         // far more than any key that an agent makes
#define HUB_MACHINE_NAME_UNITS_MAX 256 // UTF-16 units, as consoles written in JavaScript count
#define HUB_ID_PREFIX_MIN          4   // characters of an id that may stand for the whole
#define HUB_JWT_BYTES_MAX          (64u << 10) // what nats-server asks us to judge
#define HUB_LEASE_MS               20000       // four heartbeats missed: the machine is offline
#define HUB_CONNECT_BURST          60 // connections of one machine, two for each session of it
#define HUB_CONNECTS_PER_SECOND    2  // after the burst
#define HUB_MESSAGE_BURST          60 // hellos and events of one machine; it has one in 5 s to say
#define HUB_MESSAGES_PER_SECOND    10 // after the burst
#define HUB_BAN_MS                 30000     // a machine that sent more is not let in for this long
#define HUB_NATS_AUTH_TIMEOUT_S    5         // nats-server waits this long for the hub's answer
#define HUB_NATS_MAX_PAYLOAD       (1 << 20) // nats-server's own default
#define HUB_NATS_CONNECTIONS_MAX   20000     // each machine has two
#define HUB_NATS_SUBSCRIPTIONS_MAX 1024      // of one connection; an agent has four
#define HUB_NATS_CONFIG_BYTES_MAX  16384     // of the configuration we write
#define HUB_COUNTER_MASK           ((1ull << 53) - 1) // what JSON numbers hold exactly
#define HUB_HELLO_BYTES_MAX        (16u << 10)        // kept for as long as the machine
#define HUB_VERSION_BYTES          64         // of an agent, as lists show it: longer ones are cut
#define HUB_EVENT_ARENA_BYTES      (1u << 20) // a decoded hello or event
#define HUB_NATS_LINE_BYTES        4096       // of nats-server's log
#define HUB_NATS_STOP_MS           5000       // then nats-server is killed
#define HUB_NATS_RESTART_MS        250        // doubled with each end that comes soon
#define HUB_NATS_RESTART_MAX_MS    10000      // the doubling ends here
#define HUB_NATS_STABLE_MS         30000      // up for so long: the next restart is quick again
#define HUB_BUS_DIAL_MS            5000       // the hub's own connection to nats-server
#define HUB_BUS_PING_MS            3000       // the hub asks nats-server whether it is there
#define HUB_BUS_PINGS              2          // so many unanswered: the connection is lost
#define HUB_NATS_HUNG_MS           10000      // out of reach for so long: hangs, and is killed
#define HUB_BUS_BACKOFF_MS         50         // doubled with each attempt,
#define HUB_BUS_BACKOFF_MAX_MS     2000       // up to this
#define HUB_BUS_PENDING_MESSAGES   65536      // not yet handled, per subject
#define HUB_BUS_PENDING_BYTES      (16 << 20) // and their bytes
#define HUB_CUT_AGAIN_MS           2000 // a revoked machine may just be connecting: look again
#define HUB_CUT_MS                 2000 // one answer of the server
#define HUB_CUT_CONNECTIONS_MAX    1024 // of one machine, listed in one answer
#define HUB_HTTP_BODY_BYTES_MAX    (16u << 10) // requests are a few fields of JSON
#define HUB_HTTP_ANSWER_BYTES_MAX  (64u << 20) // the list of all machines
#define HUB_HTTP_PIECE_BYTES       (16u << 10) // of an answer, written at a time
#define HUB_HTTP_HEADER_BYTES_MAX  4096        // the whole head of a request
#define HUB_HTTP_HEADERS_MAX       1024        // requests whose head is being read at the same time
#define HUB_HTTP_HEADER_S          10          // for the whole head of a request, TLS included
#define HUB_HTTP_BODY_S            10          // for the rest of the request
#define HUB_HTTP_ANSWER_S          30          // to take the answer
#define HUB_HTTP_KEEPALIVE_S       15          // for the next request of a connection
#define HUB_HTTP_CONNECTIONS_MAX   8192        // descriptors of the HTTP thread
#define HUB_HTTP_WORKERS           4           // threads; answers are short
#define HUB_SOCKET_READ_BYTES      (128u << 10) // of one read: a large frame of the relay at once
#define HUB_SOCKET_PING_S          300   // without a pong of the other end: it is asked for one,
#define HUB_SOCKET_DEAD_S          600   // and is gone after this; it may be held back meanwhile
#define HUB_SAMPLE_MS              60000 // one sample of a machine is kept for each
#define HUB_SAMPLES_MAX            1440  // a day of them
#define HUB_SAVE_MS                10000 // what machines said last is written so often
#define HUB_CERTIFICATE_BYTES_MAX  (64u << 10) // a chain in PEM
#define HUB_LIMITER_ADDRESSES      256   // networks remembered; the one longest quiet makes room
#define HUB_GRANT_S                300   // of a machine's connection, then it has to ask again
#define HUB_REFUSAL_LOG_BURST      20    // lines about refused strangers,
#define HUB_REFUSAL_LOG_PER_SECOND 0.2   // then few: they shall not fill the disk
#define HUB_CLIENT_LOG_BURST       20    // lines of nats-server about single connections,
#define HUB_CLIENT_LOG_PER_SECOND  0.2   // then few, with a count of those left out
#define HUB_VIEWER_TTL_S           120   // of the token that a viewer shows to the relay
#define HUB_DISCOVER_BYTES_MAX     16384 // one answer about where the services are
#define HUB_NATS_START_MS          10000 // until nats-server lets the hub in
#define HUB_NATS_LOOK_MS           50    // between two looks for that
#define HUB_FAILURES_BURST         20    // wrong enrolment tokens from one network,
#define HUB_FAILURES_PER_SECOND    0.5   // then guessing is slow
#define HUB_LOCK_MS                1000  // for a command that decides in the hub's directory
#define HUB_TICK_MS                1000  // of the clerk, who does all that is due
#define HUB_RENEW_MS               86400000ll // certificates are looked at once a day
#define HUB_LOCAL_CALL_S           10         // a command that asks the running hub
#define HUB_TOKENS_AT_ONCE         10000      // of one command
#define HUB_PORCH_MAX              2048       // connections that have not said anything
#define HUB_PORCH_MS               10000      // a connection that has said nothing is closed
#define HUB_DESCRIPTORS_MIN        256        // that a hub has to have to serve at all
#define HUB_PORCH_BACKLOG          1024       // listen(2)

// --- machines that wait for a person's decision
#define HUB_DEVICES_MAX              512      // machines that wait for a decision
#define HUB_DEVICES_PER_NETWORK      32       // of them from one network: nobody takes all places
#define HUB_DEVICE_TTL_MS            600000ll // to walk to a browser, and no longer
#define HUB_DEVICE_INTERVAL_S        5        // between two questions of one machine (RFC 8628)
#define HUB_DEVICE_SLACK_MS          1000     // a network that delays one question is no hurry
#define HUB_DEVICE_SLOWER_MS         5000 // more between questions for who asks too often (RFC 8628)
#define HUB_DEVICE_AGAIN_MS          30000 // an answer that got lost can be asked for again
#define HUB_DEVICE_CODE_BYTES_MAX    256   // of a device code as a machine sends it
#define HUB_DEVICE_STARTS_BURST      10    // requests from one network,
#define HUB_DEVICE_STARTS_PER_SECOND 0.5   // then slowly
#define HUB_DEVICE_POLLS_BURST       60    // questions from one network,
#define HUB_DEVICE_POLLS_PER_SECOND  2     // then at the pace of ten waiting machines

// --- the hub's relay
#define RELAY_MESSAGE_BYTES_MAX     (16u << 20)         // of one WebSocket message of either end
#define RELAY_OPEN_BYTES_MAX        (8u << 10)          // the first message
#define RELAY_OPEN_ARENA_BYTES      (64u << 10)         // to decode it
#define RELAY_OPEN_MS               10000               // until it has come
#define RELAY_RING_FRAMES           1024                // kept for a viewer that comes back
#define RELAY_RING_BYTES            (4u << 20)          // of each direction
#define RELAY_RING_BYTES_MIN        (256u << 10)        // however many channels there are
#define RELAY_RING_TOTAL_BYTES      (128u << 20)        // of all channels together
#define RELAY_RATE_BYTES            (256.0 * (1 << 20)) // a second, of one end
#define RELAY_BURST_BYTES           (64.0 * (1 << 20))  // beyond the rate, after a pause
#define RELAY_PAIR_MS               120000              // an end that nobody joins is closed
#define RELAY_FIRST_VIEWER_MS       10000               // so long a full ring waits for one
#define RELAY_STALL_MS              15000               // an end that takes nothing is closed
#define RELAY_SIGN_MS               5000         // between two pongs to one that is not read from
#define RELAY_QUEUE_HIGH_BYTES      (1u << 20)   // the sender is not read from above this ...
#define RELAY_QUEUE_LOW_BYTES       (256u << 10) // ... until below this
#define RELAY_INPUTS_MAX            256  // messages in an agent's queue, then input is dropped
#define RELAY_CHANNELS_MAX          4096 // memory, and descriptors
#define RELAY_CHANNELS_OF_AGENT_MAX 256  // one machine must not take them all

// --- the client, opengeni-ctl
#define CTL_TOKEN_BYTES_MAX      16384 // of a token file
#define CTL_CONNECT_MS           5000  // to the server, at the start
#define CTL_WRITE_MS             10000 // one write to the server
#define CTL_RECONNECTS           40 // attempts, when the server goes away in the middle of a command
#define CTL_RECONNECT_MS         250   // between them
#define CTL_SHAKEN_MS            3000  // a reply that was on its way when the connection broke
#define CTL_CALLS_MAX            1024  // requests in flight
#define CTL_WAIT_SLICE_MS        100   // how late an interrupt is noticed
#define CTL_CALL_MS              30000 // a reply, unless told otherwise; what control planes wait
#define CTL_LISTEN_MS            6000  // for machines: a heartbeat and a little
#define CTL_DRAIN_MS             500 // for announcements that are on their way when we have enough
#define CTL_SETTLE_MS            30 // the same announcement comes on two addresses, one after the other
#define CTL_PREFIX_SURE          8     // digits of an id that are taken to be unique at once
#define CTL_MACHINES_MAX         65536 // heard of by one command
#define CTL_TRIES                3     // of a request that the agent was too busy to begin
#define CTL_RUN_TRIES            10    // the same for commands
#define CTL_BACKOFF_MS           500   // doubled with each try
#define CTL_BACKOFF_MS_MAX       8000  // the doubling ends here
#define CTL_ALIVE_FIRST_MS       500   // the first ping of a long command, then every
#define CTL_ALIVE_MS             5000  // a long command: is the machine still there?
#define CTL_ALIVE_SLACK_MS       250   // between two clocks and their pings
#define CTL_ALIVE_LOST_MS        20000 // pings without an answer for this long: it is not
#define CTL_GRACE_MS             5000 // for the reply of a command that was stopped at its deadline
#define CTL_REPLY_SLACK          4096 // of a message that carries bytes of a file: everything else in it
#define CTL_PIECE_BYTES          (512u << 10) // of a file, in one reply
#define CTL_PIECE_BYTES_MIN      (16u << 10)  // halved down to this when the server takes no more
#define CTL_READ_AHEAD           4            // pieces asked for before the first has come
#define CTL_HUB_MS               5000         // the hub's answer about machines
#define CTL_COMPLETE_MS          1500        // the same while somebody waits for a name to complete
#define CTL_HUB_ANSWER_BYTES_MAX (64u << 20) // that answer: as much as a hub gives
#define CTL_LINE_COLUMNS         80          // when the terminal does not say
#define CTL_TYPE_BYTES_MAX       (4u << 20)  // of a text to be typed
#define CTL_TYPE_CHARS           2000        // of it, in one request: about 8 s of typing

// --- a terminal that the client shows
#define VIEWER_IN_BYTES_MAX    (8u << 20)   // of a terminal, not printed yet; more is fetched again
#define VIEWER_IN_HIGH_BYTES   (1u << 20)   // the relay is not read from above this ...
#define VIEWER_IN_LOW_BYTES    (256u << 10) // ... until below this
#define VIEWER_TYPED_BYTES_MAX (64u << 10)  // typed while the relay is away; then the bell rings
#define VIEWER_FRAME_BYTES     (16u << 10)  // typed at once: a paste comes in several
#define VIEWER_RESEND_FRAMES   256   // sent again after a reconnect; agents remember SEEN_FRAMES
#define VIEWER_RESEND_MS       90000 // what is older has arrived, or nobody waits for it
#define VIEWER_PING_MS         5000  // of silence, then we ask: a person notices sooner or later
#define VIEWER_SILENCE_MS      15000 // and then the connection counts as dead
#define VIEWER_DIAL_MS         8000  // look-up, TCP, TLS and upgrade; and the relay's answer
#define SHELL_REDIAL_MS        100   // the first wait for the next attempt, doubled up to
#define SHELL_REDIAL_MAX_MS    3000  // this: a person looks on
#define SHELL_NOTICE_MS        800   // a shorter loss is nobody's business
#define SHELL_TOKEN_SPARE_MS   5000  // a viewer's token is replaced so long before its end
#define SHELL_GRANT_MS         5000  // the hub's answer when it is asked for one
#define SHELL_PROBE_MS         15000 // of silence; then the machine is asked for the terminal
#define SHELL_ANSWER_MS        5000  // its answer to that, or to a new size of the window
#define SHELL_OFFLINE_MS       2000  // until it is asked again when nobody listened
#define SHELL_DRAIN_MS         1000  // for what was typed, or printed, before the end
#define SHELL_RIVAL_MS         3000  // a connection that ends sooner was taken by another viewer
#define SHELL_RIVAL_TIMES      2     // when that happens so often
#define SHELL_PATIENCE_MS      60000 // without a person there, for a relay or machine that is away
#define SHOWING_GREETING_MS    10000 // for a VNC viewer's first line
#define SHOWING_ANSWER_MS      10000 // for the machine's, then it is none that speaks RFB
#define SHOWING_UNUSED_MS      60000 // a channel that waits for a viewer; then another is opened
