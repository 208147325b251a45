#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static void usage(FILE *out)
{
    fputs("Usage: opengeni-agentd [OPTION]...\n"
          "The agent's daemon. Use \"opengeni-agent run\", which starts it.\n\n"
          "  --config-dir DIR        where the connections are kept\n"
          "  --api-url URL           origin of a connection taken over from an older agent\n"
          "  --machine-name NAME     instead of the host's name\n"
          "  --ca-file FILE          trust this CA, too\n"
          "  --virtual-desktop SIZE  make a screen of WIDTHxHEIGHT with Xvfb\n"
          "  --virtual-display NAME  the display it shall be (:99)\n"
          "  --wait                  wait for the lock and for a connection\n"
          "  --updater PROGRAM       updates this installation when a control plane asks\n"
          "  --trial FILE            remove this file when up: the version is good\n"
          "  --help                  show this text\n"
          "  --version               show the version\n",
          out);
}

void options_parse(int argc, char **argv, struct options *options)
{
    enum {
        CONFIG_DIR = 256,
        API_URL,
        MACHINE_NAME,
        CA_FILE,
        VIRTUAL_DESKTOP,
        VIRTUAL_DISPLAY,
        TRIAL,
        UPDATER,
        WAIT,
        VERSION,
        HELP
    };
    static const struct option known[] = {
        {"config-dir", required_argument, NULL, CONFIG_DIR},
        {"api-url", required_argument, NULL, API_URL},
        {"machine-name", required_argument, NULL, MACHINE_NAME},
        {"ca-file", required_argument, NULL, CA_FILE},
        {"virtual-desktop", required_argument, NULL, VIRTUAL_DESKTOP},
        {"virtual-display", required_argument, NULL, VIRTUAL_DISPLAY},
        {"trial", required_argument, NULL, TRIAL},
        {"updater", required_argument, NULL, UPDATER},
        {"wait", no_argument, NULL, WAIT},
        {"version", no_argument, NULL, VERSION},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    *options = (struct options){0};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;)
        switch (option) {
        case CONFIG_DIR:
            options->config_dir = optarg;
            break;
        case API_URL:
            options->api_url = optarg;
            break;
        case MACHINE_NAME:
            options->machine_name = optarg;
            break;
        case CA_FILE:
            options->ca_file = optarg;
            break;
        case VIRTUAL_DESKTOP:
            options->virtual_desktop = optarg;
            break;
        case VIRTUAL_DISPLAY:
            options->virtual_display = optarg;
            break;
        case TRIAL:
            options->trial = optarg;
            break;
        case UPDATER:
            options->updater = optarg;
            break;
        case WAIT:
            options->wait = true;
            break;
        case VERSION:
            puts("opengeni-agentd " OG_VERSION);
            exit(0);
        case HELP:
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(2);
        }
    if (optind < argc) {
        usage(stderr);
        exit(2);
    }
}
