// In the place of programs that Wine has as stubs, which print nothing and report success.
#include <stdio.h>
#include <string.h>

int main(int count, char **arguments) {
    const char *name = count ? strrchr(arguments[0], '\\') : NULL;
    fprintf(stderr, "The stand-in has no '%s'.\r\n", name ? name + 1 : count ? arguments[0] : "?");
    return 9009;
}
