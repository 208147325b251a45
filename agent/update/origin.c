#include "update/origin.h"

const char *const update_origin_key = OPENGENI_UPDATE_KEY;
const char *const update_origin_base = OPENGENI_UPDATE_BASE_URL;
