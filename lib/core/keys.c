#include "core/keys.h"

#include <stdio.h>

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int vm_key_compare(struct vm_key a, struct vm_key b)
{
    int by_id = compare_u64(a.vm_id, b.vm_id);
    return by_id ? by_id : compare_u64(a.vm_port, b.vm_port);
}

int dp_key_compare(struct dp_key a, struct dp_key b)
{
    int by_id = compare_u64(a.dp_id, b.dp_id);
    int by_ct = by_id ? by_id : compare_u64(a.ct_id, b.ct_id);
    return by_ct ? by_ct : compare_u64(a.dp_port, b.dp_port);
}

int vs_key_compare(struct vs_key a, struct vs_key b)
{
    int by_id = compare_u64(a.vs_id, b.vs_id);
    return by_id ? by_id : compare_u64(a.vs_port, b.vs_port);
}

const char *vm_key_format(struct vm_key key, char buf[static KEY_STRLEN])
{
    char id[ID_STRLEN];

    snprintf(buf, KEY_STRLEN, "vm %s port %u", id_format(key.vm_id, id), key.vm_port);
    return buf;
}

const char *dp_key_format(struct dp_key key, char buf[static KEY_STRLEN])
{
    char id[ID_STRLEN];
    char controller[32] = "";

    if (key.ct_id) {
        snprintf(controller, sizeof controller, " of controller %u", key.ct_id);
    }
    snprintf(buf, KEY_STRLEN, "datapath %s port %u%s", id_format(key.dp_id, id),
             key.dp_port, controller);
    return buf;
}

const char *vs_key_format(struct vs_key key, char buf[static KEY_STRLEN])
{
    char id[ID_STRLEN];

    snprintf(buf, KEY_STRLEN, "rfvs %s port %u", id_format(key.vs_id, id), key.vs_port);
    return buf;
}
