#ifndef RECORD_TAG_H
#define RECORD_TAG_H 1

/* The first octet of a packed record. */

#define TAG_REMOVE 0x80
#define TAG_V6 0x40
#define TAG_URGENT 0x20
#define TAG_KIND 0x1f /* enum record_kind; above it, REC_N_KINDS + enum plane_kind. */

#endif
