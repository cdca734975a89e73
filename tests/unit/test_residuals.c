#include "help.h"
int main(void) { return 0; }
