#include "net/zcurve.h"
#include <errno.h>
int zcurve_load(const char *path, const char *server_path, struct zcurve *ret, char ret_error[static ZCURVE_ERR_LEN]) { return ENOSYS; }
