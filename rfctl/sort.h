#ifndef RFCTL_SORT_H
#define RFCTL_SORT_H 1

/* <0, 0, >0 as strcmp(): prefixes and addresses by value, numbers by value, the rest by
 * their octets. */
int compare_cells(const char *a, const char *b);

#endif
