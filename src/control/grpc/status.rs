//! What a call is refused with by its status, and how statuses are counted among those of HTTP.

use axum::http::StatusCode;
use prost::Message;
use tonic::{Code, Status};

use crate::control::refused::ApiError;
use crate::model::refusal::ErrorKind;

/// What a method refuses, where the caller wants it by status: with the error of the reply among the details.
pub(super) fn of_refusal(kind: ErrorKind, error: &ApiError) -> Status {
    /// `google.protobuf.Any`.
    #[derive(Clone, PartialEq, Message)]
    struct Any {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        value: Vec<u8>,
    }
    /// `google.rpc.Status`.
    #[derive(Clone, PartialEq, Message)]
    struct Told {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<Any>,
    }
    /// `centrifugal.centrifugo.api.Error`.
    #[derive(Clone, PartialEq, Message)]
    struct Detail {
        #[prost(uint32, tag = "1")]
        code: u32,
        #[prost(string, tag = "2")]
        message: String,
    }
    let (code, message) = (code_of(kind), error.message().to_owned());
    let detail = Detail { code: error.code(), message: message.clone() };
    let detail = Any { type_url: DETAIL.into(), value: detail.encode_to_vec() };
    let told = Told { code: code as i32, message: message.clone(), details: vec![detail] };
    Status::with_details(code, message, told.encode_to_vec().into())
}

const DETAIL: &str = "type.googleapis.com/centrifugal.centrifugo.api.Error";

/// As Centrifugo has them.
fn code_of(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::UnknownChannel | ErrorKind::MethodNotFound => Code::NotFound,
        ErrorKind::UnrecoverablePosition => Code::OutOfRange,
        ErrorKind::BadRequest | ErrorKind::NotAvailable | ErrorKind::Expired | ErrorKind::LimitExceeded => {
            Code::InvalidArgument
        }
        _ => Code::Internal,
    }
}

/// The status of HTTP that says the same, for what counts both.
pub(super) fn in_http(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::NotFound | Code::Unimplemented => StatusCode::NOT_FOUND,
        Code::DeadlineExceeded | Code::Cancelled => StatusCode::REQUEST_TIMEOUT,
        Code::OutOfRange => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::ResourceExhausted => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
