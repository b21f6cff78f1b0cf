// findstr /c:"TEXT": Wine's own prints nothing and succeeds. Prints the lines that hold the text;
// 1 when there are none, as Windows does. Nothing else of findstr is built.
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    const char *text = argc == 2 && !strncmp(argv[1], "/c:", 3) ? argv[1] + 3 : NULL;
    static char line[65536];
    int found = 0;
    if (!text) {
        fprintf(stderr, "findstr: only /c:\"TEXT\" is built in this stand-in\n");
        return 2;
    }
    while (fgets(line, sizeof line, stdin)) {
        if (strstr(line, text)) {
            fputs(line, stdout);
            found = 1;
        }
    }
    return found ? 0 : 1;
}
