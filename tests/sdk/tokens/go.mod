// What the Go program of docs/TOKENS.md needs.
module token

go 1.23

require github.com/golang-jwt/jwt/v5 v5.2.3
