//! Agreement among replicas.
