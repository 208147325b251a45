// opengeni-ctl: the other end of the wire, for people and scripts.
#include "ctl/ctl.h"

int main(int argc, char **argv)
{
    return ctl_main(argc, argv);
}
