// findstr [/v] /c:"TEXT"...: Wine's own prints nothing and succeeds. Prints the lines that hold one of the
// texts, or with /v none of them; 1 when there are none, as Windows does. Nothing else of findstr is built.
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    static char line[65536];
    const char *texts[16];
    int count = 0, found = 0;
    bool without = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "/v"))
            without = true;
        else if (!strncmp(argv[i], "/c:", 3) && count < 16)
            texts[count++] = argv[i] + 3;
        else
            count = 17;
    }
    if (!count || count > 16) {
        fprintf(stderr, "findstr: only /v and /c:\"TEXT\" are built in this stand-in\n");
        return 2;
    }
    while (fgets(line, sizeof line, stdin)) {
        bool holds = false;
        for (int i = 0; i < count; i++)
            holds |= strstr(line, texts[i]) != NULL;
        if (holds != without) {
            fputs(line, stdout);
            found = 1;
        }
    }
    return found ? 0 : 1;
}
