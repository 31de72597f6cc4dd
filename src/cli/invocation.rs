use std::sync::Arc;

use navarch_host::{Clock, Spawner};

use super::{failure::Failure, output::Printer, settings::Settings};
use crate::client::{CallOptions, Client, ClientOptions, Rpc};

/// What a command runs with.
pub(crate) struct Invocation {
    /// Flags, environment and context file together.
    pub(crate) settings: Settings,
    /// Where data goes.
    pub(crate) printer: Printer,
    /// Time.
    pub(crate) clock: Clock,
    /// Starts tasks.
    pub(crate) spawner: Arc<dyn Spawner>,
}

impl Invocation {
    /// The options of a client as the settings say.
    pub(crate) fn client_options(&self) -> ClientOptions {
        let mut options = ClientOptions::new(self.clock.clone(), Arc::clone(&self.spawner));
        options.token.clone_from(&self.settings.token);
        options.ca_file.clone_from(&self.settings.ca_file);
        options.insecure = self.settings.insecure;
        options
    }

    /// A client of the replicas that the settings name.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.client_with(self.client_options())
    }

    /// A client with options of the caller's.
    pub(crate) fn client_with(&self, options: ClientOptions) -> Result<Client, Failure> {
        Client::new(&self.settings.endpoints, options)
            .map_err(|error| Failure::usage(error.to_string()))
    }

    /// The options of a call as the settings say.
    pub(crate) fn call_options(&self) -> CallOptions {
        CallOptions::within(self.settings.timeout)
    }

    /// Makes one call; `what` names it in an error, like `list the nodes`.
    pub(crate) async fn call<R: Rpc>(
        &self,
        what: &str,
        request: R::Request,
    ) -> Result<R::Response, Failure> {
        let client = self.client()?;
        self.call_on::<R>(&client, what, request).await
    }

    /// Makes one of several calls over one client.
    pub(crate) async fn call_on<R: Rpc>(
        &self,
        client: &Client,
        what: &str,
        request: R::Request,
    ) -> Result<R::Response, Failure> {
        let answer = client.call::<R>(request, &self.call_options()).await;
        let answer = answer.map_err(|error| Failure::from_call(what, &error))?;
        Ok(answer.message)
    }
}
