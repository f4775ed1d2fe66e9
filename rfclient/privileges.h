#ifndef RFCLIENT_PRIVILEGES_H
#define RFCLIENT_PRIVILEGES_H 1

/* Gives up all capabilities(7) but CAP_NET_ADMIN (probing neighbours) and CAP_NET_RAW
 * (mapping frames), for good: not even an executed program gets them back.  Returns 0
 * or an errno. */
int privileges_drop(void);

#endif
