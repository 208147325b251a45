#include "hub/plain_http.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

// In the form of http.h's answer_error, which agents show to people.
static const char body[] =
    "{\"error\":{\"status\":400,\"code\":\"https_wanted\",\"message\":\"this "
    "port is for https, and was asked with http\",\"retryable\":false}}";

bool plain_http_turn_away(int fd)
{
    char first, request[4096], answer[512];
    // A TLS record begins with its type, 22 (RFC 8446, 5.1); a method with a letter.
    if (recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1 || first < 'A' || first > 'Z')
        return false;
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                        sizeof body - 1, body);
    // What is not read would make the end a reset, which can overtake the answer.
    while (recv(fd, request, sizeof request, MSG_DONTWAIT) == sizeof request)
        ;
    (void)!send(fd, answer, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    close(fd);
    return true;
}
