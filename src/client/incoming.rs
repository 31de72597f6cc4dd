use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::connection::InFlight;

/// The rest of an answer that is a stream, in the shape tonic reads.
pub(super) struct Incoming {
    stream: h2::RecvStream,
    /// Keeps the connection watched while the stream is silent.
    in_flight: InFlight,
    data_ended: bool,
}

impl Incoming {
    pub(super) fn new(stream: h2::RecvStream, in_flight: InFlight) -> Self {
        Self { stream, in_flight, data_ended: false }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_ended {
            match ready!(self.stream.poll_data(context)) {
                Some(Ok(chunk)) => {
                    self.in_flight.heard();
                    let released = self.stream.flow_control().release_capacity(chunk.len());
                    return Poll::Ready(Some(released.map(|()| Frame::data(chunk))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.data_ended = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(context)).transpose();
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}
